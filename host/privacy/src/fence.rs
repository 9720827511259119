//! Fences: where frames may be processed. A fix is inside only if its whole error circle is (FRM-04, MIN-04).

use geojson::{Feature, GeoJson, GeometryValue};
use vaern_door::{Name, guard};

use crate::position::{Plane, Position, check_degrees};
use crate::refusal::{BadPosition, Refusal};
use crate::ring::{Ring, RingFault};

/// Corners of all rings of one fence file. The check for self-crossing is quadratic.
const MAX_CORNERS: usize = 4096;

/// Why a fence file is refused. The city's own file: texts name the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// Not GeoJSON.
    #[error("fence `{fence}`: not GeoJSON as in RFC 7946: {detail}")]
    NotGeoJson {
        /// Name of the fence.
        fence: Name,
        /// What the parser says.
        detail: String,
    },
    /// Coordinates in metres.
    #[error(
        "fence `{0}`: the coordinates have the size of EPSG:25832 (UTM zone 32, metres); GeoJSON is WGS 84 degrees: \
         convert the file, for example `ogr2ogr -s_srs EPSG:25832 -t_srs EPSG:4326 -f GeoJSON out.geojson in.geojson`"
    )]
    Epsg25832(Name),
    /// A `crs` member that names another system than WGS 84.
    #[error(
        "fence `{0}`: the file names a coordinate system of its own; RFC 7946 knows WGS 84 only: export it as EPSG:4326"
    )]
    ForeignCrs(Name),
    /// Latitude first.
    #[error(
        "fence `{0}`: latitude and longitude are swapped; GeoJSON writes longitude first, as in [12.5683, 55.6761]"
    )]
    Swapped(Name),
    /// Not degrees at all.
    #[error("fence `{0}`: a coordinate is no longitude or latitude in degrees")]
    NotDegrees(Name),
    /// A geometry that has no inside.
    #[error("fence `{0}`: only Polygon and MultiPolygon can be a fence")]
    NotAPolygon(Name),
    /// The property `vaern` has another value.
    #[error("fence `{0}`: property `vaern` must be `include` or `exclude`")]
    UnknownRole(Name),
    /// Nothing is included.
    #[error("fence `{0}`: no polygon is included, so no frame could ever pass")]
    NothingIncluded(Name),
    /// More corners than a fence needs.
    #[error("fence `{0}`: more than {MAX_CORNERS} corners; simplify the outline")]
    TooManyCorners(Name),
    /// A ring that bounds no area.
    #[error("fence `{fence}`: {fault}")]
    Ring {
        /// Name of the fence.
        fence: Name,
        /// What is wrong with the ring.
        fault: RingFault,
    },
    /// Larger than the purpose needs (MIN-04).
    #[error("fence `{fence}`: {area_km2} km² is more than the {max_km2} km² that the policy allows for this purpose")]
    TooLarge {
        /// Name of the fence.
        fence: Name,
        /// Its area in whole square kilometres, rounded up.
        area_km2: u64,
        /// The bound, rounded down.
        max_km2: u64,
    },
}

/// A polygon: one outline and its holes.
#[derive(Debug, Clone)]
struct Polygon {
    outline: Ring,
    holes: Vec<Ring>,
}

/// One fence file, checked.
#[derive(Debug, Clone)]
pub struct Fence {
    name: Name,
    include: Vec<Polygon>,
    exclude: Vec<Polygon>,
    area_km2: f64,
}

impl Fence {
    /// Reads a fence from GeoJSON. A feature counts as included unless its property `vaern` says `exclude`.
    ///
    /// # Errors
    /// [`FenceError`] names what is wrong and how to mend it.
    pub fn parse(name: Name, geojson: &str, max_km2: f64) -> Result<Self, FenceError> {
        let parsed: GeoJson = geojson.parse().map_err(|e: geojson::Error| FenceError::NotGeoJson {
            fence: name.clone(),
            detail: short(&e.to_string()),
        })?;
        let mut fence = Self { name, include: Vec::new(), exclude: Vec::new(), area_km2: 0.0 };
        match parsed {
            GeoJson::FeatureCollection(collection) => {
                fence.refuse_foreign_crs(collection.foreign_members.as_ref())?;
                for feature in &collection.features {
                    fence.add_feature(feature)?;
                }
            }
            GeoJson::Feature(feature) => fence.add_feature(&feature)?,
            GeoJson::Geometry(geometry) => {
                fence.refuse_foreign_crs(geometry.foreign_members.as_ref())?;
                fence.add_geometry(&geometry.value, false)?;
            }
        }
        if fence.include.is_empty() {
            return Err(FenceError::NothingIncluded(fence.name));
        }
        if fence.corners() > MAX_CORNERS {
            return Err(FenceError::TooManyCorners(fence.name));
        }
        for ring in fence.rings() {
            ring.check_crossing().map_err(|fault| FenceError::Ring { fence: fence.name.clone(), fault })?;
        }
        // Holes are not subtracted: the bound is on what the outline reaches.
        fence.area_km2 = fence.include.iter().map(|p| p.outline.area_km2()).sum();
        if !max_km2.is_finite() || fence.area_km2 > max_km2 {
            return Err(FenceError::TooLarge {
                fence: fence.name.clone(),
                area_km2: fence.area_km2.ceil() as u64,
                max_km2: max_km2.max(0.0).floor() as u64,
            });
        }
        Ok(fence)
    }

    /// Name of the fence.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Area of what is included, holes not subtracted.
    #[must_use]
    pub const fn area_km2(&self) -> f64 {
        self.area_km2
    }

    /// The outlines of what is included, each a ring of (longitude, latitude) in degrees: for maps.
    #[must_use]
    pub fn outlines(&self) -> Vec<Vec<(f64, f64)>> {
        self.include.iter().map(|polygon| polygon.outline.points().to_vec()).collect()
    }

    /// Whether the whole error circle of the fix lies inside one included polygon and clear of every excluded one.
    #[must_use]
    pub fn holds(&self, position: &Position) -> bool {
        let plane = Plane::at(position.latitude(), position.longitude());
        let error = position.error_m();
        let included = self.include.iter().any(|polygon| {
            polygon.outline.contains(&plane)
                && polygon.outline.distance_m(&plane) > error
                && polygon.holes.iter().all(|hole| !hole.contains(&plane) && hole.distance_m(&plane) > error)
        });
        included
            && self.exclude.iter().all(|polygon| {
                // A hole in an excluded polygon stays excluded: doubt means no.
                !polygon.outline.contains(&plane) && polygon.outline.distance_m(&plane) > error
            })
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.include.iter().chain(&self.exclude).flat_map(|p| std::iter::once(&p.outline).chain(&p.holes))
    }

    fn corners(&self) -> usize {
        self.rings().map(Ring::corners).sum()
    }

    fn refuse_foreign_crs(&self, members: Option<&geojson::JsonObject>) -> Result<(), FenceError> {
        let Some(crs) = members.and_then(|m| m.get("crs")) else { return Ok(()) };
        let text = crs.to_string();
        if text.contains("25832") {
            return Err(FenceError::Epsg25832(self.name.clone()));
        }
        let wgs84 = text.contains("CRS84") || text.contains("EPSG::4326") || text.contains("EPSG:4326");
        if crs.is_null() || wgs84 { Ok(()) } else { Err(FenceError::ForeignCrs(self.name.clone())) }
    }

    fn add_feature(&mut self, feature: &Feature) -> Result<(), FenceError> {
        self.refuse_foreign_crs(feature.foreign_members.as_ref())?;
        let exclude = match feature.property("vaern") {
            None => false,
            Some(role) => match role.as_str() {
                Some("include") => false,
                Some("exclude") => true,
                _ => return Err(FenceError::UnknownRole(self.name.clone())),
            },
        };
        match &feature.geometry {
            Some(geometry) => self.add_geometry(&geometry.value, exclude),
            None => Err(FenceError::NotAPolygon(self.name.clone())),
        }
    }

    fn add_geometry(&mut self, geometry: &GeometryValue, exclude: bool) -> Result<(), FenceError> {
        match geometry {
            GeometryValue::Polygon { coordinates } => self.add_polygon(coordinates, exclude),
            GeometryValue::MultiPolygon { coordinates } => {
                coordinates.iter().try_for_each(|polygon| self.add_polygon(polygon, exclude))
            }
            _ => Err(FenceError::NotAPolygon(self.name.clone())),
        }
    }

    fn add_polygon(&mut self, rings: &[Vec<geojson::Position>], exclude: bool) -> Result<(), FenceError> {
        let mut checked = rings.iter().map(|ring| self.ring(ring)).collect::<Result<Vec<_>, _>>()?.into_iter();
        let Some(outline) = checked.next() else {
            return Err(FenceError::Ring { fence: self.name.clone(), fault: RingFault::TooFew });
        };
        let holes: Vec<Ring> = checked.collect();
        if holes.iter().any(|hole| !hole.starts_inside(&outline)) {
            return Err(FenceError::Ring { fence: self.name.clone(), fault: RingFault::HoleOutside });
        }
        let target = if exclude { &mut self.exclude } else { &mut self.include };
        target.push(Polygon { outline, holes });
        Ok(())
    }

    fn ring(&self, positions: &[geojson::Position]) -> Result<Ring, FenceError> {
        if positions.len() > MAX_CORNERS {
            return Err(FenceError::TooManyCorners(self.name.clone()));
        }
        let mut corners = Vec::with_capacity(positions.len());
        for position in positions {
            let [longitude, latitude, ..] = *position.as_slice() else {
                return Err(FenceError::NotDegrees(self.name.clone()));
            };
            check_degrees(latitude, longitude).map_err(|kind| match kind {
                BadPosition::Epsg25832 => FenceError::Epsg25832(self.name.clone()),
                BadPosition::Swapped => FenceError::Swapped(self.name.clone()),
                BadPosition::NotFinite | BadPosition::OutOfRange => FenceError::NotDegrees(self.name.clone()),
            })?;
            corners.push((longitude, latitude));
        }
        Ring::new(corners).map_err(|fault| FenceError::Ring { fence: self.name.clone(), fault })
    }
}

/// A parser's words without line breaks and without end.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// The fences of a purpose. A fix must lie in one of them.
#[derive(Debug, Clone, Default)]
pub struct FenceSet {
    fences: Vec<Fence>,
}

impl FenceSet {
    /// A set of fences. An empty set lets nothing through.
    #[must_use]
    pub const fn new(fences: Vec<Fence>) -> Self {
        Self { fences }
    }

    /// The fence that holds the fix.
    ///
    /// # Errors
    /// [`Refusal::OutsideFence`] where none does.
    pub fn locate(&self, position: &Position) -> Result<&Name, Refusal> {
        let inside = |fence: &&Fence| !guard::stands("privacy.fence") || fence.holds(position);
        self.fences.iter().find(inside).map(Fence::name).ok_or(Refusal::OutsideFence)
    }

    /// The fences.
    #[must_use]
    pub fn fences(&self) -> &[Fence] {
        &self.fences
    }
}
